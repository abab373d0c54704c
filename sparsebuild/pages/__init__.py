"""The report as a page: what a build left, drawn for people. Values in, text out; it reads nothing and asks nobody."""
