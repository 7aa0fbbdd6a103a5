"""A log of what classifiers said, in a file: a class with a path, which is closed at the end."""

from gstgva import VideoFrame


class Logger:
    def __init__(self, log_file_path, *, header="log"):
        self.file = open(log_file_path, "w")  # noqa: SIM115 - as such modules do
        self.file.write(header + "\n")

    def log(self, frame: VideoFrame) -> bool:
        for region in frame.regions():
            for tensor in region.tensors():
                if tensor.is_detection():
                    self.file.write(f"{region.label()} {tensor['confidence']:.2f} {tensor.label_id()}\n")
                elif tensor.layer_name() == "ocr" or tensor.name() == "licence-plate":
                    self.file.write(f"text {tensor.label()} {dict(tensor)['confidence']}\n")
        return True

    def __del__(self):
        self.file.write("closed\n")
        self.file.close()
