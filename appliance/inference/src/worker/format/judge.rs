//! Judges a whole answer by its schema, in bounded time.
//!
//! A short schema can ask for endless work: each definition that refers to the one before it twice doubles it, and a chain of
//! references takes a call within a call for each of its links. What is so large by itself is refused before any work; what
//! only an answer makes so large is not judged, and has missed its form.

use std::collections::{HashMap, HashSet};

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::refused;
use crate::job::JobError;

/// Schemas within schemas, references followed.
const MOST_NESTED: usize = 256;
const TOO_DEEP: &str = "its references and schemas are nested too deeply";

/// Schemas that judge one and the same place of an answer.
const MOST_AT_A_PLACE: u64 = 10_000;

/// References that are no path within the schema: where they lead is not followed here.
const MOST_NAMED: usize = 32;

/// Schemas that are laid on the places of one answer, and how far within each other.
const MOST_STEPS: u32 = 1_000_000;
const DEEPEST: usize = 1_000;

/// A schema that is ready to judge.
pub(in crate::worker) struct Judge {
    schema: Value,
    validator: Validator,
}

impl Judge {
    /// # Errors
    /// What is no schema, or one that asks for too much work.
    pub(in crate::worker) fn new(schema: &Value) -> Result<Judge, JobError> {
        Measure::take(schema).map_err(|why| refused(&why))?;
        // One that goes back over the text could take for ever.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(schema).map_err(|error| refused(&error.masked()))?;
        Ok(Judge { schema: schema.clone(), validator })
    }

    pub(in crate::worker) fn accepts(&self, answer: &Value) -> bool {
        let mut steps = Steps { root: &self.schema, left: MOST_STEPS };
        steps.lay(&self.schema, answer, 0) && self.validator.is_valid(answer)
    }
}

/// What a schema asks for whatever the answer is.
struct Measure<'s> {
    root: &'s Value,
    /// By the place of a schema in memory: how deep it goes, and how many schemas judge its own place.
    known: HashMap<*const Value, (usize, u64)>,
    open: HashSet<*const Value>,
    named: usize,
}

impl<'s> Measure<'s> {
    fn take(schema: &'s Value) -> Result<(), &'static str> {
        let mut measure = Measure { root: schema, known: HashMap::new(), open: HashSet::new(), named: 0 };
        measure.of(schema, 0)?;
        if measure.named > MOST_NAMED {
            return Err("too many of its references are not of the form \"#/...\"");
        }
        Ok(())
    }

    fn of(&mut self, schema: &'s Value, depth: usize) -> Result<(usize, u64), &'static str> {
        if depth > MOST_NESTED {
            return Err(TOO_DEEP);
        }
        let place = std::ptr::from_ref(schema);
        if let Some(known) = self.known.get(&place) {
            return if depth + known.0 > MOST_NESTED { Err(TOO_DEEP) } else { Ok(*known) };
        }
        if !self.open.insert(place) {
            // It is within itself: with each turn the answer goes deeper, or it judges nothing.
            return Ok((0, 1));
        }
        let (mut deepest, mut here) = (0, 1_u64);
        let target = self.target(schema);
        for (child, is_same_place) in children(schema).chain(target.map(|target| (target, true))) {
            let (deep, wide) = self.of(child, depth + 1)?;
            deepest = deepest.max(deep + 1);
            here = here.saturating_add(if is_same_place { wide } else { 0 });
        }
        if looks_again(schema) {
            here = here.saturating_mul(2);
        }
        if here > MOST_AT_A_PLACE {
            return Err("its parts repeat each other too often");
        }
        self.open.remove(&place);
        self.known.insert(place, (deepest, here));
        Ok((deepest, here))
    }

    fn target(&mut self, schema: &'s Value) -> Option<&'s Value> {
        let reference = reference(schema.as_object()?)?;
        let target = resolve(self.root, reference);
        self.named += usize::from(target.is_none());
        target
    }
}

/// Lays a schema on an answer as a validator does at most.
struct Steps<'s> {
    root: &'s Value,
    left: u32,
}

impl<'s> Steps<'s> {
    /// `false` where it would take too many steps.
    fn lay(&mut self, schema: &'s Value, answer: &Value, depth: usize) -> bool {
        if self.left == 0 || depth > DEEPEST {
            return false;
        }
        self.left -= 1;
        let Some(object) = schema.as_object() else { return true };
        let turns = if looks_again(schema) { 2 } else { 1 };
        let target = reference(object).and_then(|reference| resolve(self.root, reference));
        (0..turns).all(|_| same_place(object).chain(target).all(|schema| self.lay(schema, answer, depth + 1)))
            && self.lay_within(object, answer, depth + 1)
    }

    fn lay_within(&mut self, schema: &'s Map<String, Value>, answer: &Value, depth: usize) -> bool {
        match answer {
            Value::Object(answer) => {
                let named = schema.get("properties").and_then(Value::as_object);
                answer.iter().all(|(name, value)| {
                    let own = named.and_then(|named| named.get(name));
                    let for_all = PER_VALUE.iter().filter_map(|key| schema.get(*key));
                    let patterns = schema.get("patternProperties").and_then(Value::as_object);
                    let by_pattern = patterns.into_iter().flat_map(Map::values);
                    own.into_iter().chain(for_all).chain(by_pattern).all(|own| self.lay(own, value, depth))
                })
            }
            Value::Array(answer) => answer.iter().enumerate().all(|(index, value)| {
                let lists = ["items", "prefixItems"].iter().filter_map(|key| schema.get(*key)?.as_array());
                let of_index = lists.filter_map(|list| list.get(index));
                let for_all = PER_ITEM.iter().filter_map(|key| schema.get(*key));
                of_index.chain(for_all).all(|own| self.lay(own, value, depth))
            }),
            _ => true,
        }
    }
}

/// Keywords whose schema is for each value of an object, or each item of an array.
const PER_VALUE: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "propertyNames"];
const PER_ITEM: [&str; 4] = ["items", "additionalItems", "unevaluatedItems", "contains"];

/// Those whose schemas judge the same place: a list of them, one, or one by a name.
const LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const SINGLES: [&str; 4] = ["not", "if", "then", "else"];
const BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];

/// Those with schemas by a name.
const MAPS: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/// What lies beside it is gone through once more, to know what it has judged.
fn looks_again(schema: &Value) -> bool {
    ["unevaluatedProperties", "unevaluatedItems"].iter().any(|key| schema.get(key).is_some())
}

fn same_place(schema: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let lists = LISTS.iter().filter_map(|key| schema.get(*key)?.as_array()).flatten();
    let singles = SINGLES.iter().filter_map(|key| schema.get(*key));
    let by_name = BY_NAME.iter().filter_map(|key| schema.get(*key)?.as_object()).flat_map(Map::values);
    lists.chain(singles).chain(by_name)
}

/// All that lies within a schema, and whether it judges the same place.
fn children(schema: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let object = schema.as_object();
    let same: HashSet<*const Value> =
        object.into_iter().flat_map(same_place).map(std::ptr::from_ref).collect();
    let within = object.into_iter().flatten().flat_map(|(key, child)| match child {
        Value::Array(list) => list.iter().collect(),
        Value::Object(inner) if MAPS.contains(&key.as_str()) => inner.values().collect(),
        _ => vec![child],
    });
    let of_list = schema.as_array().into_iter().flatten();
    within.chain(of_list).map(move |child| (child, same.contains(&std::ptr::from_ref(child))))
}

fn reference(schema: &Map<String, Value>) -> Option<&str> {
    ["$ref", "$dynamicRef", "$recursiveRef"].iter().find_map(|key| schema.get(*key)?.as_str())
}

/// `None` where it is no path within the schema.
fn resolve<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let path = reference.strip_prefix('#')?;
    root.pointer(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why_not(schema: &Value) -> String {
        match Judge::new(schema) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    /// Each definition is `link` of the one before it.
    fn chain(links: usize, link: impl Fn(&str) -> Value) -> Value {
        let mut definitions = Map::new();
        definitions.insert("n0".into(), json!({"type": "object"}));
        for index in 1..links {
            definitions.insert(format!("n{index}"), link(&format!("#/$defs/n{}", index - 1)));
        }
        json!({"allOf": [{"$ref": format!("#/$defs/n{}", links - 1)}], "$defs": definitions})
    }

    #[test]
    fn a_chain_of_references_is_as_long_as_a_stack_takes() {
        let of = |links| why_not(&chain(links, |before| json!({"$ref": before})));
        assert_eq!(of(100), "");
        for links in [1000, 20_000] {
            assert!(of(links).contains("nested too deeply"), "{}", of(links));
        }
        let by_property = |before: &str| json!({"properties": {"a": {"$ref": before}}});
        assert!(why_not(&chain(1000, by_property)).contains("nested too deeply"));
    }

    #[test]
    fn what_doubles_with_each_definition_is_refused() {
        let twice = |before: &str| json!({"allOf": [{"$ref": before}, {"$ref": before}]});
        assert_eq!(why_not(&chain(8, twice)), "");
        assert!(why_not(&chain(31, twice)).contains("repeat each other too often"));
    }

    #[test]
    fn usual_schemas_that_refer_to_themselves_judge_answers() {
        let node = |kind: &str| {
            json!({"type": "object", "properties": {"kind": {"const": kind}, "child": {"$ref": "#"}},
                "required": ["kind"]})
        };
        let tree = Judge::new(&json!({"anyOf": [node("a"), node("b"), {"type": "null"}]})).expect("usual");
        assert!(tree.accepts(&json!({"kind": "a", "child": {"kind": "b", "child": null}})));
        assert!(!tree.accepts(&json!({"kind": "a", "child": {"kind": "c"}})));
    }

    #[test]
    fn an_answer_that_would_be_judged_for_ever_is_not() {
        let half = json!({"properties": {"a": {"$ref": "#"}}});
        let judge = Judge::new(&json!({"allOf": [half, half]})).expect("short");
        let nested = |depth| (0..depth).fold(json!({}), |inner, _| json!({"a": inner}));
        assert!(judge.accepts(&nested(5)));
        assert!(!judge.accepts(&nested(60)));
    }
}
