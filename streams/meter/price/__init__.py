"""Pricing of calls; `pricer.py` says how, `book.py` and `aliases.py` by which laws, docs/prices.md for users."""

from streams.meter.price.aliases import Aliases, load_aliases
from streams.meter.price.book import Book, BookInfo, book_info, load_book
from streams.meter.price.overrides import Overrides, load_overrides, parse_overrides
from streams.meter.price.pricer import Priced, Pricer
from streams.meter.price.status import STATUSES

__all__ = [
    "STATUSES",
    "Aliases",
    "Book",
    "BookInfo",
    "Overrides",
    "Priced",
    "Pricer",
    "book_info",
    "load_aliases",
    "load_book",
    "load_overrides",
    "parse_overrides",
]
