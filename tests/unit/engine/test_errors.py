"""What an error of the engine says without a message of its own."""

from engine.errors import LoraNameShared, LoraUnsupported


def test_the_default_message_of_an_error_does_not_describe_its_facts() -> None:
    assert str(LoraNameShared(other="a")) == "Another file of the shelf has this name, as names are compared."
    assert str(LoraUnsupported()) == "The LoRA's layout or number format is not supported."
    assert str(LoraUnsupported("int4")) == "int4"
