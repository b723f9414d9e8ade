"""The operator's files of the demo's company."""
