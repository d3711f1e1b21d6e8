"""What is deployed: artifacts that answer without PyTorch."""
