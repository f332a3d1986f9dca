"""Text of charts in the page's own colour: Streamlit's grey has contrast 3.7 on white, and small text needs 4.5."""

from typing import Any

_TEXT = {"labelColor": "currentColor", "titleColor": "currentColor"}
CONFIG: dict[str, Any] = {"axis": _TEXT, "legend": _TEXT}
