"""A person asks for a new key: when it is made, how long the old one opens, and what never happens twice."""

from builders import NOW, TENANT_UID, World
from insula.domain import names
from insula.domain.key_rotation import Grace

LATER = "2026-11-25T12:00:00Z/900"
LATEST = "2026-11-25T13:00:00Z/0"


def ask(world: World, request: str) -> World:
    assert world.tenant is not None
    metadata = world.tenant["metadata"] | {"annotations": {names.ANNOTATION_ROTATE_KEY: request}}
    world.tenant = world.tenant | {"metadata": metadata}
    return world


def test_a_request_makes_the_next_key_and_leaves_the_old_one_its_grace() -> None:
    world = ask(World().ready(), LATER).settle()
    memory = world.memory()
    assert (memory.key_generation, memory.key_rotated) == (2, LATER)
    assert memory.key_grace.covers(1, NOW)
    assert world.secrets[names.SECRET_GATEWAY_KEY]["metadata"]["annotations"] == {names.ANNOTATION_KEY_GENERATION: "2"}


def test_home_assistant_is_told_by_a_new_job() -> None:
    world = World().ready()
    before = world.memory().conversing
    ask(world, LATER).settle()
    assert world.condition("ConversationReady")["reason"] == "SettingUp"
    world.finish_job(names.CONVERSE, '{"agent": "conversation.home"}').settle()
    assert world.condition("ConversationReady")["status"] == "True"
    assert world.memory().conversing != before


def test_a_request_is_honoured_once() -> None:
    world = ask(World().ready(), LATER).settle().pass_time(3600)
    assert world.decide().ground == ()
    assert world.memory().key_generation == 2


def test_the_end_of_a_grace_needs_no_write() -> None:
    world = ask(World().ready(), LATER).settle()
    world.finish_job(names.CONVERSE, '{"agent": "conversation.home"}').settle()
    assert world.pass_time(901).decide().is_empty
    assert not world.memory().key_grace.covers(1, world.now)


def test_a_request_without_grace_kills_the_old_key_at_once() -> None:
    world = ask(ask(World().ready(), LATER).settle(), LATEST).settle()
    assert world.memory().key_generation == 3
    assert world.memory().key_grace == Grace()


def test_an_older_request_that_comes_back_is_not_honoured_again() -> None:
    world = ask(ask(World().ready(), LATEST).settle(), LATER).settle()
    assert world.memory().key_generation == 2


def test_what_is_no_time_is_no_request() -> None:
    assert ask(World().ready(), "now").settle().memory().key_generation == 1


def test_a_new_home_takes_note_of_the_request_it_was_born_with() -> None:
    world = ask(World(), LATER).settle()
    assert (world.memory().key_generation, world.memory().key_rotated) == (1, LATER)


def test_an_adopted_home_gets_one_new_key_without_grace() -> None:
    world = ask(World().ready(), LATER).settle().forget_tenant().settle()
    ask(world.create_again(adopt=TENANT_UID), LATEST).settle()
    memory = world.memory()
    assert (memory.key_generation, memory.key_rotated, memory.key_grace) == (3, LATEST, Grace())


def test_an_adopted_home_does_not_honour_an_old_request_again() -> None:
    world = ask(World().ready(), LATER).settle().forget_tenant().settle()
    ask(world.create_again(adopt=TENANT_UID), LATER).settle()
    assert world.memory().key_generation == 3
    assert world.step().is_empty
