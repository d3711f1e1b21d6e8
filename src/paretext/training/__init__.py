"""The one training path, its plan, and the models to beat."""
