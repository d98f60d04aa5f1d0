"""Text for calibration: the project's own files, code found on this machine, or what the user names.

Every iterator of documents is lazy and in an order that only its seed and the documents' names decide. One file in ten
is held out of all of them, so that a model can be judged on local code it was not calibrated on, and nothing that looks
like an evaluation set is ever among them.
"""

from assistant.corpus.document import Document, is_held_out
from assistant.corpus.documents import calibration_documents, corpus_documents, other_documents, project_documents
from assistant.corpus.places import corpus_advice

__all__ = [
    "Document",
    "calibration_documents",
    "corpus_advice",
    "corpus_documents",
    "is_held_out",
    "other_documents",
    "project_documents",
]
