"""Linear models over each modality and over all, and how they are pooled."""
