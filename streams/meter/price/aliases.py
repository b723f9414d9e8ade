"""Who sold a call: from the names a router sent to a seller and a model name of the price book.

`Aliases` is the data of aliases.toml, validated; `Aliases.resolve` walks it against a `Book`. The order:

1. A named provider sells what its book lists under the model's name, with a repeated prefix (`anthropic` +
   `anthropic/claude-...`), a resource path or a price-neutral suffix taken off.
2. OpenRouter's names that its book lacks are charged at the maker's list price (it passes prices through), closed
   weights only.
3. Without a provider that says anything, the prefix of the model name tells the seller (`bedrock/...`) or the maker
   (`google/gemini-...`, closed weights only), else a bare name that only one maker uses.
4. Everything else has no price, with a reason.

The model billed is the one that ANSWERED (`response_model`) when it is known, because that is what providers charge;
it inherits the request's prefix, since responses usually drop it. A response model without a price is not charged as
the requested one: a router may have fallen back to another.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from streams.meter.price.book import Book, Listing
from streams.meter.price.status import NO_TOKEN_PRICE, UNKNOWN_MODEL, UNKNOWN_PROVIDER, UNKNOWN_SELLER

_MAX_DEPTH = 3


def normal(provider: str | None) -> str:
    """A provider name without case, and with `-` and blanks as `_`."""
    return (provider or "").strip().lower().replace("-", "_").replace(" ", "_")


def _compiles(pattern: str) -> str:
    re.compile(pattern)
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reasoned(_Entry):
    reason: str = Field(min_length=1)


class _Generic(_Entry):
    names: tuple[str, ...]
    dialects: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


class _Seller(_Reasoned):
    names: tuple[str, ...]
    book: str


class _Vendor(_Seller):
    only: Pattern


class _Rule(_Reasoned):
    only: Pattern
    book: str


class _Suffix(_Reasoned):
    names: tuple[str, ...]


class _NoPrice(_Reasoned):
    provider: str
    model: str


class AliasFile(_Entry):
    """The shape of aliases.toml."""

    generic: _Generic
    seller: tuple[_Seller, ...] = ()
    vendor: tuple[_Vendor, ...] = ()
    bare: tuple[_Rule, ...] = ()
    path: tuple[_Rule, ...] = ()
    suffix: tuple[_Suffix, ...] = ()
    no_price: tuple[_NoPrice, ...] = ()


class Aliases:
    """The alias data, indexed. Immutable; keeps nothing of the names it is asked for."""

    def __init__(self, data: AliasFile) -> None:
        """Index validated alias data."""
        self.data = data
        self._generic = {normal(name) for name in data.generic.names}
        self._dialects = set(data.generic.dialects)
        self._sellers = {normal(name): entry.book for entry in data.seller for name in entry.names}
        self._prefixes = {normal(name) for name in data.generic.prefixes} | set(self._sellers)
        self._vendors = {
            normal(name): (entry.book, re.compile(entry.only)) for entry in data.vendor for name in entry.names
        }
        self._bare = [(re.compile(entry.only), entry.book) for entry in data.bare]
        self._paths = [(entry.book, re.compile(entry.only)) for entry in data.path]
        self._neutral = tuple(f":{name}" for entry in data.suffix for name in entry.names)
        self._no_price = {(entry.provider, entry.model) for entry in data.no_price}

    def is_generic(self, provider: str | None) -> bool:
        """Whether the provider name says nothing about who sells."""
        return normal(provider) in self._generic

    def seller(self, book: Book, provider: str | None) -> str | None:
        """The book's id of a provider name as sent, None when it is unknown or generic."""
        name = normal(provider)
        if name in self._sellers:
            return self._sellers[name]
        plain = (provider or "").strip().lower()
        for candidate in (plain, name, name.replace("_", "-")):
            if candidate in book.provider_ids:
                return candidate
        return None

    def resolve(self, book: Book, provider: str | None, model: str, response_model: str | None) -> Listing | int:
        """The listing that a call is billed by, or the status code that says why there is none."""
        asked = model.strip().lower()
        answered = (response_model or "").strip().lower()
        if not answered or answered == asked:
            return self._resolve(book, provider, asked)
        found: Listing | int = UNKNOWN_MODEL
        if "/" not in answered and "/" in asked:
            found = self._resolve(book, provider, f"{asked.rpartition('/')[0]}/{answered}")
        return found if isinstance(found, Listing) else self._resolve(book, provider, answered)

    def _resolve(self, book: Book, provider: str | None, name: str) -> Listing | int:
        for suffix in self._neutral:
            name = name.removesuffix(suffix)
        seller = self.seller(book, provider)
        if seller is None:
            if not self.is_generic(provider):
                return UNKNOWN_PROVIDER
            found = self._by_name(book, name)
        else:
            found = self._sold(book, seller, name)
            if found is None and seller in self._dialects:
                found = self._by_name(book, name)
        if found is None:
            return UNKNOWN_SELLER if seller is None else UNKNOWN_MODEL
        return NO_TOKEN_PRICE if (found.provider, found.model) in self._no_price else found

    def _sold(self, book: Book, seller: str, name: str, depth: int = 0) -> Listing | None:
        """`name` in the seller's own book, taking off paths and prefixes that repeat the seller."""
        found = book.find(seller, name)
        if found is not None and (found.exact or _colon_is_part_of_name(seller, name)):
            return found
        for path_book, path in self._paths:
            if path_book == seller and (match := path.match(name)) and depth < _MAX_DEPTH:
                return self._sold(book, seller, name[match.end() :], depth + 1)
        head, slash, rest = name.partition("/")
        if not slash or depth >= _MAX_DEPTH:
            return None
        if self.seller(book, head) == seller:
            return self._sold(book, seller, rest, depth + 1)
        return self._made(book, head, rest) if seller == "openrouter" else None

    def _made(self, book: Book, head: str, rest: str) -> Listing | None:
        """`vendor/model` at the maker's list price, closed weights only."""
        vendor = self._vendors.get(normal(head))
        if vendor is None or not vendor[1].match(rest):
            return None
        return _spelled_out(book, vendor[0], rest)

    def _by_name(self, book: Book, name: str) -> Listing | None:
        """The seller by the model's name alone; None also when OpenRouter lists that very name at another price."""
        found = self._seller_by_name(book, name)
        router = book.find("openrouter", name)
        return None if found and router and not book.same_price(found, router) else found

    def _seller_by_name(self, book: Book, name: str) -> Listing | None:
        """By a bare name, else by the vendor, else by a seller's prefix."""
        head, slash, rest = name.partition("/")
        if not slash:
            maker = next((maker for pattern, maker in self._bare if pattern.match(name)), None)
            return None if maker is None else _spelled_out(book, maker, name)
        if normal(head) in self._vendors:
            return self._made(book, head, rest) or (
                _spelled_out(book, "openrouter", name) if self._vendors[normal(head)][1].match(rest) else None
            )
        if normal(head) in self._prefixes:
            seller = self.seller(book, head)
            return None if seller is None else self._sold(book, seller, rest)
        return None


_DATE = re.compile(r"[-@]20\d{2}-?\d{2}-?\d{2}$")


def _spelled_out(book: Book, seller: str, name: str) -> Listing | None:
    """A listing whose name the book spells out, a date at its end aside.

    The book's patterns ("starts with claude-opus-4-6") take in names it does not know, among them `-fast` at six times
    the price. That is tolerable when the router names the seller, not when the seller is inferred.
    """
    found = book.find(seller, name)
    if found is None or found.exact:
        return found
    undated = book.find(seller, _DATE.sub("", name))
    return found if undated is not None and undated.exact and undated.model == found.model else None


def _colon_is_part_of_name(seller: str, name: str) -> bool:
    """Whether a name found by a pattern may carry a colon: Bedrock's versions (`-v1:0`) and OpenAI's fine-tunes may;
    elsewhere a pattern such as "starts with gemini-2.5-pro" would swallow `:free` and `:online`."""
    return ":" not in name or seller == "aws" or name.startswith("ft:")


@lru_cache(maxsize=1)
def load_aliases() -> Aliases:
    """The aliases shipped with the package."""
    text = files("streams.meter.price").joinpath("aliases.toml").read_text(encoding="utf-8")
    return Aliases(AliasFile.model_validate(tomllib.loads(text)))
