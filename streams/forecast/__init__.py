"""Forecasts of spend by the hour: candidates, intervals from their own errors, and the back-test that chose one."""
