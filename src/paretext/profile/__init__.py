"""What is in labelled texts, before anything is trained: `profile(data) -> Profile`."""

from paretext.profile.build import profile
from paretext.profile.schema import Profile, ProfileSettings

__all__ = ["Profile", "ProfileSettings", "profile"]
