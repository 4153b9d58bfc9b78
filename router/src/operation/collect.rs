//! Which fields of an object are selected (GraphQL spec, "Field Collection").

use super::Variables;
use super::document::fragments;
use graphql_tools::static_graphql::query;
use std::collections::HashMap;

/// A field of the answer: all selections with the same response key.
pub(crate) struct Collected<'d> {
    pub(crate) key: &'d str,
    pub(crate) first: &'d query::Field,
    pub(crate) selections: Vec<&'d query::SelectionSet>,
}

/// Collects the fields of one document.
pub(crate) struct Collector<'d> {
    fragments: HashMap<&'d str, &'d query::FragmentDefinition>,
    pub(crate) variables: &'d Variables,
}

impl<'d> Collector<'d> {
    pub(crate) fn new(document: &'d query::Document, variables: &'d Variables) -> Self {
        let fragments = fragments(document).map(|fragment| (fragment.name.as_str(), fragment)).collect();
        Self { fragments, variables }
    }

    /// The fields of some selection sets; fragments whose type condition applies are followed.
    pub(crate) fn collect(
        &self,
        selections: &[&'d query::SelectionSet],
        applies: impl Fn(&str) -> bool,
    ) -> Vec<Collected<'d>> {
        let mut fields = Vec::new();
        let mut visited = Vec::new();
        for selections in selections {
            self.collect_into(selections, &applies, &mut visited, &mut fields);
        }
        fields
    }

    fn collect_into(
        &self,
        selections: &'d query::SelectionSet,
        applies: &impl Fn(&str) -> bool,
        visited: &mut Vec<&'d str>,
        fields: &mut Vec<Collected<'d>>,
    ) {
        for selection in &selections.items {
            match selection {
                query::Selection::Field(field) => {
                    if !self.is_included(&field.directives) {
                        continue;
                    }
                    let key = field.alias.as_deref().unwrap_or(&field.name);
                    match fields.iter_mut().find(|known| known.key == key) {
                        Some(known) => known.selections.push(&field.selection_set),
                        None => fields.push(Collected { key, first: field, selections: vec![&field.selection_set] }),
                    }
                }
                query::Selection::InlineFragment(fragment) => {
                    let applies_here = fragment.type_condition.as_ref().is_none_or(|on| applies(on.as_ref()));
                    if applies_here && self.is_included(&fragment.directives) {
                        self.collect_into(&fragment.selection_set, applies, visited, fields);
                    }
                }
                query::Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    if visited.contains(&name) || !self.is_included(&spread.directives) {
                        continue;
                    }
                    visited.push(name);
                    let fragment = self.fragments.get(name);
                    if let Some(fragment) = fragment.filter(|fragment| applies(fragment.type_condition.as_ref())) {
                        self.collect_into(&fragment.selection_set, applies, visited, fields);
                    }
                }
            }
        }
    }

    fn is_included(&self, directives: &[query::Directive]) -> bool {
        directives.iter().all(|directive| {
            let condition = directive.arguments.iter().find(|(name, _)| name == "if");
            let condition = condition.is_some_and(|(_, value)| self.is_true(value));
            match directive.name.as_str() {
                "skip" => !condition,
                "include" => condition,
                _ => true,
            }
        })
    }

    /// Whether a Boolean argument is true.
    pub(crate) fn is_true(&self, value: &query::Value) -> bool {
        match value {
            query::Value::Boolean(truth) => *truth,
            query::Value::Variable(name) => self.variables.is_true(name),
            _ => false,
        }
    }
}
