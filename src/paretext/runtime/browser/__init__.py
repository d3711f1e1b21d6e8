"""An artifact as one HTML page that answers on the reader's machine."""
