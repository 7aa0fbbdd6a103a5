"""What ``empycustom doctor`` looks at, and which package has what is missing."""
