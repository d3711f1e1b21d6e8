"""Whole jobs, and the stages that they are made of."""
