"""What a service bears before it refuses: every limit has a sentence and a status of its own."""

from __future__ import annotations

from pydantic import ConfigDict, Field, model_validator

from paretext.core.settings import Settings


class Limits(Settings):
    """Of one service, whatever models it has."""

    model_config = ConfigDict(title="Limits")

    queue: int = Field(
        1024, ge=1, le=2**20, description="Texts that may wait for one model; more are told 429."
    )
    max_texts: int = Field(256, ge=1, le=2**16, description="Texts of one request.")
    max_characters: int = Field(65_536, ge=1, le=2**24, description="Characters of one text.")
    max_bytes: int = Field(2_000_000, ge=64, le=2**30, description="Bytes of one request's body.")
    timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds for a body to arrive, and then for its answer."
    )

    @model_validator(mode="after")
    def _fits(self) -> Limits:
        if self.max_texts > self.queue:
            raise ValueError(
                f"a request may have {self.max_texts:,} texts and {self.queue:,} may wait, so that "
                "some would never be taken; raise --queue or lower --max-texts"
            )
        return self
