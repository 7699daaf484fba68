"""Pages for people, in addition to the JSON. Loaded only if `BROWSABLE_API` is on."""
