"""Reports: each is written once, as a :class:`~nova_infra.documents.model.Document`, and rendered in four formats."""
