"""What pruning did to models, and how far the masks of different languages differ: `sned report`."""
