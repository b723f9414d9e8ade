"""Prices after the fact: computed again (`rerate`), looked up (`show`), and watched for what is wrong (`check`).

What the meter wrote is never rewritten. docs/prices.md is the user's page.
"""
