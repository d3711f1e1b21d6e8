"""Serving: an HTTP service that answers texts from artifacts, and its page."""
