import json

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementProto

from converter.artifact.digests import Digests
from converter.artifact.manifest import Repository
from converter.artifact.provenance import provenance


def test_a_statement_is_one_to_the_in_toto_library(publish, contents_factory):
    files = Digests(publish().folder).entries()
    contents = contents_factory(repository=Repository(commit="a" * 40, is_dirty=True), created="2026-01-02T03:04:05Z")
    contents = contents.model_copy(update={"toolchain": {"compat-export": "1.2.3", **contents.toolchain}})
    value = provenance(contents, files, "c" * 64)
    proto = json_format.Parse(json.dumps(value), StatementProto())
    Statement.copy_from_pb(proto).validate()
    assert {one.name: one.digest["sha256"] for one in proto.subject} == {file.path: file.sha256 for file in files}
    predicate = json_format.Parse(json.dumps(value["predicate"]), provenance_pb2.Provenance())
    source, config = predicate.build_definition.resolved_dependencies
    assert (source.digest["sha256"], config.digest["gitCommit"]) == ("c" * 64, "a" * 40)
    assert config.annotations["isDirty"] is True
    assert predicate.run_details.builder.id == "pkg:pypi/compat-export@1.2.3"
    assert predicate.run_details.metadata.finished_on.ToJsonString() == "2026-01-02T03:04:05Z"


def test_it_says_nothing_that_it_does_not_know(publish, contents_factory):
    contents = contents_factory()
    contents = contents.model_copy(update={"toolchain": {"compat-export": "1.2.3"}})
    value = provenance(contents, Digests(publish().folder).entries(), "c" * 64)
    assert [one["name"] for one in value["predicate"]["buildDefinition"]["resolvedDependencies"]] == ["source"]
    assert value["predicate"]["runDetails"]["metadata"] == {}
