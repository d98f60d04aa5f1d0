"""The language server: one thin handler a feature, pygls types in, pygls types out."""
