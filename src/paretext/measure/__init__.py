"""Quality, intervals, cost, comparisons: what a version is worth."""
