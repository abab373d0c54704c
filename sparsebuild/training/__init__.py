"""Training: the loop, what it reads, and what it leaves."""
