"""Pages for monitoring and people on call: health, metrics, anchors of the trail."""
