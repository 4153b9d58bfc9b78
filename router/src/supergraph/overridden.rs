//! Keys whose fields another subgraph has taken over (`@override`). The subgraph that they were taken from goes by them
//! still, and tells them as the other does, or they would be no keys. The planner takes it to know nothing of them, and finds
//! no way from its entities to others. So it is let know that both have them.

use super::required::field_set;
use graphql_tools::static_graphql::schema::{Definition, Directive, Document, ObjectType, TypeDefinition, Value};
use hive_router_query_planner::ast::selection_item::SelectionItem;
use std::collections::BTreeSet;

/// Gives such fields of a supergraph to both subgraphs.
pub(super) fn share_keys(supergraph: &mut Document) {
    for definition in &mut supergraph.definitions {
        let Definition::TypeDefinition(TypeDefinition::Object(object)) = definition else { continue };
        let keys = keys(object);
        for field in &mut object.fields {
            let is_key = |join: &Directive| {
                let graph = argument(join, "graph").map(ToString::to_string);
                let is_overridden = argument(join, "usedOverridden") == Some(&Value::Boolean(true));
                is_overridden && graph.is_some_and(|graph| keys.contains(&(graph, field.name.clone())))
            };
            if field.directives.iter().any(is_key) {
                for join in field.directives.iter_mut().filter(|directive| directive.name == "join__field") {
                    join.arguments
                        .retain(|(name, _)| !["usedOverridden", "override", "overrideLabel"].contains(&name.as_str()));
                }
            }
        }
    }
}

/// The fields of an object's keys, by subgraph.
fn keys(object: &ObjectType) -> BTreeSet<(String, String)> {
    let mut keys = BTreeSet::new();
    for join in object.directives.iter().filter(|directive| directive.name == "join__type") {
        let (Some(graph), Some(Value::String(key))) = (argument(join, "graph"), argument(join, "key")) else {
            continue;
        };
        let items = field_set(key).map(|set| set.items).unwrap_or_default();
        keys.extend(items.iter().filter_map(|item| match item {
            SelectionItem::Field(field) => Some((graph.to_string(), field.name.clone())),
            _ => None,
        }));
    }
    keys
}

fn argument<'d>(directive: &'d Directive, name: &str) -> Option<&'d Value> {
    directive.arguments.iter().find_map(|(known, value)| (known == name).then_some(value))
}
