"""What a runtime can't do, and why: the only places where it is held to less than every other."""

CANNOT: dict[tuple[str, str], str] = {}
"""(runtime, case) -> why it can't pass there. Strict: an entry that starts to pass must go."""

GPU_RUNTIMES = ("tfjs-webgl@chromium", "tfjs-webgpu@chromium")

GPU_ATOL = {"Cos": 2.0**-11, "Sin": 2.0**-11}
"""Op -> the absolute error that a GPU may make: Vulkan's specification allows sin and cos 2^-11."""
