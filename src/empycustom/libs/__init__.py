"""Libraries that everybody needs, each a module: ``custom-lib=empycustom.libs.draw``, ``--lib empycustom.libs.draw``.

They use what any library may use; of the rest of the package they know the errors, and how formats lie in memory. What they need
besides (onnxruntime, OpenCV) is in the extra ``libs``, and imported inside of functions.
"""
