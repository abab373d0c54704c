"""The engine: builds what is out of date, and has never heard of a model."""
