"""pydantic_schemas.py FOLDER - schemas that pydantic 2 makes of types which data models are made of,
one file each, for compare_schemas.py --real FOLDER. Needs pydantic and email-validator."""
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import json
import os
import pathlib
import sys
import typing as t
import uuid

import pydantic as p
import typing_extensions
from pydantic import AnyUrl, BaseModel, ConfigDict, EmailStr, Field, HttpUrl, TypeAdapter


class Colour(enum.Enum):
    RED, GREEN = "red", "green"


class Level(enum.IntEnum):
    LOW, HIGH = 1, 2


class Cat(BaseModel):
    kind: t.Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: t.Literal["dog", "wolf"]
    name: str
    tags: list[str] = []


class Bird(BaseModel):
    kind: t.Literal["bird"] = "bird"  # not required: pydantic's usual style
    wings: int = 2


class Fish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: t.Literal["fish"] = "fish"
    fins: int
    mate: t.Optional["Fish"] = None


class Address(BaseModel):
    model_config = ConfigDict(extra="forbid")
    street: str = Field(min_length=1, max_length=200, description="Street and number")
    zip: t.Annotated[str, Field(pattern=r"^\d{5}$", examples=["12345"])]
    country: str = Field("DE", pattern="^[A-Z]{2}$")


class User(BaseModel):
    """Somebody."""
    id: uuid.UUID
    name: str
    email: EmailStr
    age: t.Annotated[int, Field(ge=0, lt=150)] | None = None
    address: Address
    others: list[Address] = Field(default_factory=list, max_length=5)
    born: dt.date
    seen: dt.datetime | None
    roles: set[t.Literal["admin", "editor"]] = set()
    extra: dict[str, t.Any] = {}


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Tree(BaseModel):
    left: "Tree | None" = None
    right: "Tree | None" = None
    leaf: str | int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Aliased(BaseModel):
    first: str = Field(alias="firstName")
    last: str = Field(validation_alias=p.AliasChoices("lastName", "surname"))


class Step(BaseModel):
    explanation: str
    output: str


class Answer(BaseModel):
    steps: list[Step]
    final: str
    confidence: float = Field(ge=0, le=1)
    sure: bool = False
    level: Level
    colour: Colour | None = None


class Point(t.NamedTuple):
    x: float
    y: float = 0


class Movie(typing_extensions.TypedDict, total=False):
    title: typing_extensions.Required[str]
    year: int


@dataclasses.dataclass
class Item:
    sku: str
    count: int = 1
    price: decimal.Decimal | None = None


X = t.TypeVar("X")


class Page(BaseModel, t.Generic[X]):
    items: list[X]
    next: str | None = None


class Pets(BaseModel):
    pet: t.Annotated[Cat | Dog, Field(discriminator="kind")]
    more: list[t.Annotated[Bird | Fish, Field(discriminator="kind")]] = []


class Nested(BaseModel):
    one: t.Annotated[t.Annotated[Cat | Dog, Field(discriminator="kind")] | Fish, Field(discriminator="kind")]


class Call(BaseModel):
    tool: t.Literal["search", "open"]
    arguments: dict[str, str | int | float | bool | None]


class Kept(BaseModel):
    made: dt.datetime = Field(default_factory=dt.datetime.now)
    url: HttpUrl

    @p.computed_field
    @property
    def host(self) -> str:
        return ""


def tag(value):
    return "n" if isinstance(value, int) else "s"


TYPES = {
    "user": User, "node": Node, "tree": Tree, "open": Open, "aliased": Aliased, "answer": Answer, "point": Point,
    "movie": Movie, "item": Item, "page": Page[User], "pets": Pets, "nested": Nested, "call": Call, "kept": Kept,
    "colour": Colour, "level": Level, "fish": Fish, "users": list[User], "optional": t.Optional[int], "any": t.Any,
    "union": int | str | list[int], "plain union": Cat | Fish, "default kinds": t.Annotated[
        Bird | Fish, Field(discriminator="kind")],
    "callable discriminator": t.Annotated[t.Annotated[int, p.Tag("n")] | t.Annotated[str, p.Tag("s")],
                                          p.Discriminator(tag)],
    "decimal": decimal.Decimal, "money": t.Annotated[decimal.Decimal, Field(ge=0, decimal_places=2)],
    "short decimal": t.Annotated[decimal.Decimal, Field(max_digits=6, decimal_places=2)],
    "set of words": set[str], "set of kinds": set[Colour], "frozen numbers": frozenset[int], "tuple": tuple[int, str],
    "endless tuple": tuple[int, ...], "empty tuple": tuple[()], "map": dict[str, int],
    "map of kinds": dict[Colour, int], "map of literals": dict[t.Literal["a", "b"], float],
    "map of numbers": dict[int, str], "map of dates": dict[dt.date, str],
    "map of short names": dict[t.Annotated[str, Field(min_length=1, max_length=8)], int],
    "map by a pattern": dict[t.Annotated[str, Field(pattern="^[a-z_]+$")], int],
    "map of a size": t.Annotated[dict[str, int], Field(min_length=1, max_length=4)],
    "list of a size": t.Annotated[list[int], Field(min_length=2, max_length=3)],
    "literal": t.Literal["a", 1, None, True], "bytes": bytes, "path": pathlib.Path, "url": AnyUrl, "time": dt.time,
    "duration": dt.timedelta, "date": dt.date, "ipv4": ipaddress.IPv4Address, "ip": p.IPvAnyAddress,
    "network": ipaddress.IPv4Network, "pattern": t.Pattern, "json": p.Json, "secret": p.SecretStr, "uuid4": p.UUID4,
    "file": p.FilePath, "base64": p.Base64Str, "strict": p.StrictInt, "positive": p.PositiveInt,
    "even": t.Annotated[int, Field(multiple_of=2)], "cents": t.Annotated[float, Field(multiple_of=0.01)],
    "finite": p.FiniteFloat, "bool": bool, "none": None, "complex": complex, "past": p.PastDate,
    "email": EmailStr, "name and email": p.NameEmail, "bytes of size": p.ByteSize,
    "described": t.Annotated[str, p.WithJsonSchema({"type": "string", "contentMediaType": "text/html"})],
    "not a word": t.Annotated[str, p.WithJsonSchema({"type": "string", "not": {"const": ""}})],
}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    n = 0
    for name, what in TYPES.items():
        for mode in ("validation", "serialization"):
            try:
                schema = TypeAdapter(what).json_schema(mode=mode)
            except p.errors.PydanticInvalidForJsonSchema:
                continue
            with open(os.path.join(folder, f"pydantic---{name} {mode}.json".replace(" ", "_")), "w",
                      encoding="utf-8") as f:
                json.dump({"schema": schema, "tests": []}, f, indent=1)
            n += 1
    print(f"{n} schemas by pydantic {p.VERSION}")


main(sys.argv[1])
