"""Libraries that everybody needs, each a module: ``custom-lib=empycustom.libs.draw``, ``--lib empycustom.libs.draw``.

They use what any library may use, and know nothing else of the package. What they need besides (onnxruntime, OpenCV) is in the
extra ``libs``, and imported inside of functions.
"""
