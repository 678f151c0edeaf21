"""Which migrations an Immich version executes, and what it refuses."""

from __future__ import annotations

import immich_schema as schema
import pytest


def executed(*versions: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """The names in both tables after these versions ran one after another."""
    typeorm: list[str] = []
    kysely: list[str] = []
    for version in versions:
        names = [migration.name for migration in schema.plan(version, typeorm, kysely)]
        (kysely if version >= schema.KYSELY_SINCE else typeorm).extend(names)
    return typeorm, kysely


@pytest.mark.parametrize("version", [(1, 117, 0), (1, 132, 3), (2, 3, 1), (3, 0, 3)])
def test_a_second_start_migrates_nothing(version: tuple[int, ...]) -> None:
    assert schema.plan(version, [], [])
    assert schema.plan(version, *executed(version)) == []


@pytest.mark.parametrize(
    ("newer", "older"),
    [((3, 0, 3), (2, 3, 1)), ((2, 5, 2), (2, 3, 1)), ((2, 3, 1), (1, 132, 3)), ((1, 132, 3), (1, 118, 0))],
)
def test_an_older_version_refuses_a_newer_database(newer: tuple[int, ...], older: tuple[int, ...]) -> None:
    """A naive one sees no pending migration and starts on a schema that it does not know."""
    with pytest.raises(schema.Refused, match=r"corrupted migrations: previously executed migration .* is missing"):
        schema.plan(older, *executed(newer))


def test_the_bridge_may_not_be_skipped() -> None:
    with pytest.raises(schema.Refused, match="typeorm-upgrade"):
        schema.plan((2, 3, 1), *executed((1, 118, 0)))
    assert schema.plan((2, 3, 1), *executed((1, 118, 0), (1, 132, 3)))


def test_old_tables_are_renamed_and_new_ones_made() -> None:
    first = schema.plan((2, 3, 1), *executed((1, 132, 3)))[0]
    assert 'ALTER TABLE "assets" RENAME TO "asset"' in first.sql
    assert 'CREATE TABLE "asset"' in schema.plan((2, 3, 1), [], [])[0].sql


@pytest.mark.parametrize(
    ("version", "installed", "fits"),
    [
        ((2, 3, 1), "0.4.3", True),
        ((2, 3, 1), "1.0.0", False),
        ((3, 0, 3), "1.0.0", True),
        ((3, 0, 3), "2.0.0", False),
        ((2, 3, 1), "0.2.1", False),
    ],
)
def test_vectorchord_has_to_be_of_a_known_version(version: tuple[int, ...], installed: str, fits: bool) -> None:
    if fits:
        schema.check_vectorchord(version, installed)
    else:
        with pytest.raises(schema.Refused):
            schema.check_vectorchord(version, installed)


def test_pgvecto_rs_is_refused_from_3_on() -> None:
    assert schema.vector_extension((2, 3, 1), "pgvecto.rs") == "vector"
    with pytest.raises(schema.Refused):
        schema.vector_extension((3, 0, 0), "pgvecto.rs")
