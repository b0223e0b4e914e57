"""Why a request is not answered, as a status and as JSON: {"error": a word for programs, "message": what to do}."""

from pydantic import BaseModel

STATUS_OF_REASON = {"unsupported_format": 415, "too_many_pixels": 413, "caption_too_long": 413}
"""Of the reasons of `pipeline.predict.predictor`; the others are 422."""

STATUS = {
    "bad_request": 400,
    "image_address": 400,
    "foreign_page": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "body_too_large": 413,
    "wrong_type": 415,
    "other_host": 421,
    "unknown_field": 422,
    "bad_field": 422,
    "too_many_requests": 429,
    "internal": 500,
    "too_busy": 503,
}


class Refused(BaseModel):
    """The body of every answer that is no answer."""

    error: str
    message: str


class Refusal(ValueError):  # noqa: N818 (an answer to a client, not an error of the program)
    """A request that is refused; `is_unread`: the rest of its body is not read, so the connection ends."""

    def __init__(self, reason: str, message: str, *, status: int | None = None, is_unread: bool = False) -> None:
        super().__init__(message)
        self.reason, self.status, self.is_unread = reason, status or STATUS[reason], is_unread

    def body(self) -> Refused:
        """What the client reads."""
        return Refused(error=self.reason, message=str(self))
