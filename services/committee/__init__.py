"""The KServe model server of a committee's members."""
