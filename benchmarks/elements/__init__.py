"""What the hand-written contenders are made of."""
