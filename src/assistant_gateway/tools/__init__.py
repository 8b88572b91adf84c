"""
Python functions that the assistant may call.

`tool` turns a function into a `Tool`, `load_tools` finds the tools that an installation
names, and a `Toolbox` calls them for the model: checked, limited in time and size, and
without ever letting a failing function harm the run.
"""

from assistant_gateway.tools.context import ToolContext
from assistant_gateway.tools.load import load_tools
from assistant_gateway.tools.result import ToolResult
from assistant_gateway.tools.tool import Tool, tool
from assistant_gateway.tools.toolbox import Toolbox

__all__ = ["Tool", "ToolContext", "ToolResult", "Toolbox", "load_tools", "tool"]
