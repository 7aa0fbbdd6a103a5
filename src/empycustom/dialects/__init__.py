"""The dialects of other projects: their libraries run as they are."""
