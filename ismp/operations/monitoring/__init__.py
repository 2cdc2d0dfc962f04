"""What monitoring and people on call read: health, metrics, anchors of the trail."""
