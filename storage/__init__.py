"""What Lipabot keeps on disk, and the one door to it: `open_store`."""
