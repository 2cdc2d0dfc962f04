"""Code that every request passes through: middleware, error pages, uploads, sent forms."""
