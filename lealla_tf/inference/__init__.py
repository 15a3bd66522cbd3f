"""From strings to vectors: checkpoints, exported directories and Hub handles alike."""
