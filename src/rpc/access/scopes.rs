//! The one table of methods and scopes. A method that is not in it cannot be called while authentication is on; a test goes over the
//! descriptors, so that none is forgotten.

use crate::domain::access::Scope;

/// Services of which every method has the same scope.
const SERVICES: &[(&str, Scope)] = &[
    ("grpc.health.v1.Health", Scope::Health),
    ("grpc.reflection.v1.ServerReflection", Scope::Metadata),
    ("grpc.reflection.v1alpha.ServerReflection", Scope::Metadata),
    ("unlearnd.v1.SystemService", Scope::Metadata),
    ("unlearnd.v1.JobService", Scope::Metadata),
    ("unlearnd.v1.EvaluationService", Scope::Job),
    ("unlearnd.v1.TextService", Scope::Infer),
];

/// `service/method`.
const METHODS: &[(&str, Scope)] = &[
    ("google.longrunning.Operations/GetOperation", Scope::Metadata),
    ("google.longrunning.Operations/ListOperations", Scope::Metadata),
    ("google.longrunning.Operations/WaitOperation", Scope::Metadata),
    ("google.longrunning.Operations/CancelOperation", Scope::Job),
    ("google.longrunning.Operations/DeleteOperation", Scope::Admin),
    ("unlearnd.v1.AttributionService/Attribute", Scope::Infer),
    ("unlearnd.v1.AttributionService/AttributeDataset", Scope::Job),
    ("unlearnd.v1.ConceptService/GetConceptBank", Scope::Metadata),
    ("unlearnd.v1.ConceptService/ListConceptBanks", Scope::Metadata),
    ("unlearnd.v1.ConceptService/LearnConceptBank", Scope::Job),
    ("unlearnd.v1.ConceptService/ImportConceptBank", Scope::Job),
    ("unlearnd.v1.ConceptService/ExtractConcepts", Scope::Job),
    ("unlearnd.v1.ConceptService/DeleteConceptBank", Scope::Admin),
    ("unlearnd.v1.DatasetService/GetDataset", Scope::Metadata),
    ("unlearnd.v1.DatasetService/ListDatasets", Scope::Metadata),
    ("unlearnd.v1.DatasetService/RegisterDataset", Scope::Job),
    ("unlearnd.v1.DatasetService/UploadDataset", Scope::Job),
    ("unlearnd.v1.DatasetService/DeleteDataset", Scope::Admin),
    ("unlearnd.v1.ModelService/GetModel", Scope::Metadata),
    ("unlearnd.v1.ModelService/ListModels", Scope::Metadata),
    ("unlearnd.v1.ModelService/GetModelVersion", Scope::Metadata),
    ("unlearnd.v1.ModelService/ListModelVersions", Scope::Metadata),
    ("unlearnd.v1.ModelService/LoadModel", Scope::Admin),
    ("unlearnd.v1.ModelService/CreateModel", Scope::Admin),
    ("unlearnd.v1.ModelService/UnloadModel", Scope::Admin),
    ("unlearnd.v1.ModelService/PromoteModelVersion", Scope::Admin),
    ("unlearnd.v1.ModelService/ExportModelVersion", Scope::Admin),
    ("unlearnd.v1.ModelService/ImportModelVersion", Scope::Admin),
    ("unlearnd.v1.ModelService/DeleteModel", Scope::Admin),
    ("unlearnd.v1.ModelService/DeleteModelVersion", Scope::Admin),
    ("unlearnd.v1.UnlearningService/PlanPoisoning", Scope::Infer),
    ("unlearnd.v1.UnlearningService/FineTunePoisoned", Scope::Job),
    ("unlearnd.v1.UnlearningService/Unlearn", Scope::Job),
];

/// The scope of a method, by the path of its calls (`/service/method`).
pub(super) fn scope_of(path: &str) -> Option<Scope> {
    let name = path.strip_prefix('/')?;
    let (service, _) = name.split_once('/')?;
    found(SERVICES, service).or_else(|| found(METHODS, name))
}

fn found(table: &[(&str, Scope)], name: &str) -> Option<Scope> {
    table.iter().find(|(known, _)| *known == name).map(|(_, scope)| *scope)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The paths of all methods that are served.
    fn paths() -> Vec<String> {
        let own = FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap();
        let health = FileDescriptorSet::decode(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        let mut paths = Vec::new();
        for file in own.file.iter().chain(&health.file) {
            for service in &file.service {
                for method in &service.method {
                    paths.push(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        for version in ["v1", "v1alpha"] {
            paths.push(format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
        }
        paths
    }

    #[test]
    fn every_method_has_a_scope() {
        let without: Vec<_> = paths().into_iter().filter(|path| scope_of(path).is_none()).collect();
        assert!(without.is_empty(), "give these a scope in rpc/access/scopes.rs: {without:#?}");
    }

    #[test]
    fn the_table_names_only_what_exists() {
        let paths = paths();
        for (service, _) in SERVICES {
            assert!(paths.iter().any(|path| path.starts_with(&format!("/{service}/"))), "{service}");
        }
        for (method, _) in METHODS {
            assert!(paths.contains(&format!("/{method}")), "{method}");
        }
    }

    #[test]
    fn what_only_looks_is_never_more_than_metadata() {
        for path in paths() {
            let (service, method) = path.trim_start_matches('/').split_once('/').unwrap();
            let looks = ["Get", "List", "Watch", "Wait"].iter().any(|word| method.starts_with(word));
            if looks && service != "grpc.health.v1.Health" {
                assert_eq!(scope_of(&path), Some(Scope::Metadata), "{path}");
            }
            if method.starts_with("Delete") {
                assert_eq!(scope_of(&path), Some(Scope::Admin), "{path}");
            }
        }
    }

    #[test]
    fn unknown_paths_have_no_scope() {
        for path in ["", "/", "//", "unlearnd.v1.JobService/GetJob", "/unlearnd.v1.ModelService/Reset", "/a.B/C"] {
            assert_eq!(scope_of(path), None, "{path}");
        }
    }
}
