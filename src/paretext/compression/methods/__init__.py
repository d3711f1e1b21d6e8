"""What the steps share: texts in batches, importances, latency tables, teachers, trimming."""
