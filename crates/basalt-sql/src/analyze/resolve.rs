//! Which of several operators or functions a call means.
//!
//! Source: PostgreSQL documentation, chapter 10 "Type Conversion" (10.2 operators, 10.3 functions, 10.5 CASE and friends) and the
//! behaviour of PostgreSQL 17 where the chapter is silent.

use basalt_catalog::Catalog;
use basalt_types::pg::oid;
use basalt_types::{Oid, TypeRef};

use super::builtins::pseudo;
use super::casts::{self, CastContext};
use super::types;

/// What the choice among candidates came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The candidate at this position of the list.
    One(usize),
    /// No candidate takes these arguments.
    None,
    /// More than one is equally good.
    Ambiguous,
}

/// Chooses among candidates, each given by its argument types (as many as `actual`; VARIADIC expanded). UNKNOWN stands for untyped literals.
pub fn choose(catalog: &Catalog, actual: &[Oid], candidates: &[Vec<Oid>]) -> Choice {
    if let Some(exact) = candidates.iter().position(|args| args == actual) {
        return Choice::One(exact);
    }
    let mut left: Vec<usize> =
        (0..candidates.len()).filter(|at| candidates.get(*at).is_some_and(|args| accepts(catalog, actual, args))).collect();
    match left.as_slice() {
        [] => return Choice::None,
        [one] => return Choice::One(*one),
        _ => {}
    }
    let base: Vec<Oid> =
        actual.iter().map(|ty| if *ty == oid::UNKNOWN { *ty } else { types::base_type(catalog, TypeRef::of(*ty)).oid }).collect();
    let args_of = |at: usize| candidates.get(at).map(Vec::as_slice).unwrap_or_default();

    // Most exact matches among the known arguments.
    let known = |args: &[Oid], test: &dyn Fn(Oid, Oid) -> bool| {
        base.iter().zip(args).filter(|(have, want)| **have != oid::UNKNOWN && test(**have, **want)).count()
    };
    keep_best(&mut left, |at| known(args_of(at), &|have, want| have == want));
    if let [one] = left.as_slice() {
        return Choice::One(*one);
    }
    // Most exact or preferred types of the same category.
    keep_best(&mut left, |at| {
        known(args_of(at), &|have, want| {
            have == want || (types::category(catalog, have) == types::category(catalog, want) && types::is_preferred(want))
        })
    });
    if let [one] = left.as_slice() {
        return Choice::One(*one);
    }
    if !base.contains(&oid::UNKNOWN) {
        return Choice::Ambiguous;
    }
    // Unknown arguments: string if any candidate accepts it, else the category all agree on; then its preferred type.
    if let Some(wanted) = unknown_categories(catalog, &base, &left, &args_of) {
        let fits = |at: &usize| {
            args_of(*at).iter().zip(&wanted).all(|(arg, slot)| match slot {
                None => true,
                Some((category, preferred)) => {
                    types::category(catalog, *arg) == *category && (!preferred || types::is_preferred(*arg))
                }
            })
        };
        let kept: Vec<usize> = left.iter().copied().filter(|at| fits(at)).collect();
        if let [one] = kept.as_slice() {
            return Choice::One(*one);
        }
        if !kept.is_empty() {
            left = kept;
        }
    }
    // Known arguments all of one type: take the unknown ones to be of it too.
    let mut known_types = base.iter().filter(|ty| **ty != oid::UNKNOWN);
    if let Some(first) = known_types.next()
        && known_types.all(|ty| ty == first)
    {
        let assumed = vec![*first; base.len()];
        let mut fitting = left.iter().filter(|at| accepts(catalog, &assumed, args_of(**at)));
        if let (Some(one), None) = (fitting.next(), fitting.next()) {
            return Choice::One(*one);
        }
    }
    Choice::Ambiguous
}

fn keep_best(left: &mut Vec<usize>, score: impl Fn(usize) -> usize) {
    let best = left.iter().map(|at| score(*at)).max().unwrap_or(0);
    left.retain(|at| score(*at) == best);
}

/// For each argument: the category (and whether its preferred type) to insist on; `None` for known arguments. No list when the
/// candidates disagree about some argument.
fn unknown_categories<'a>(
    catalog: &Catalog,
    base: &[Oid],
    left: &[usize],
    args_of: &impl Fn(usize) -> &'a [Oid],
) -> Option<Vec<Option<(char, bool)>>> {
    let mut wanted = Vec::with_capacity(base.len());
    for (position, ty) in base.iter().enumerate() {
        if *ty != oid::UNKNOWN {
            wanted.push(None);
            continue;
        }
        let mut slot: Option<(char, bool)> = None;
        let mut conflict = false;
        for at in left {
            let Some(arg) = args_of(*at).get(position) else { continue };
            let (category, preferred) = (types::category(catalog, *arg), types::is_preferred(*arg));
            slot = match slot {
                None => Some((category, preferred)),
                Some((c, p)) if c == category => Some((c, p || preferred)),
                Some(_) if category == 'S' => Some(('S', preferred)),
                Some(kept) => {
                    conflict |= kept.0 != 'S';
                    Some(kept)
                }
            };
        }
        if conflict && slot.is_none_or(|(c, _)| c != 'S') {
            return None;
        }
        wanted.push(slot);
    }
    Some(wanted)
}

/// Whether implicit conversions take the actual types to the declared ones.
pub fn accepts(catalog: &Catalog, actual: &[Oid], declared: &[Oid]) -> bool {
    if actual.len() != declared.len() {
        return false;
    }
    let each = actual.iter().zip(declared).all(|(have, want)| {
        *want == oid::ANY
            || types::is_polymorphic(*want)
            || *have == oid::UNKNOWN
            || have == want
            || casts::exists(catalog, *have, *want, CastContext::Implicit)
    });
    each && (!declared.iter().any(|ty| types::is_polymorphic(*ty)) || concrete(catalog, actual, declared, oid::VOID).is_some())
}

/// Puts actual types into polymorphic ones: the argument types to coerce to, and the result type. `None` when the actual types are
/// inconsistent; UNKNOWN where nothing determines the type.
pub fn concrete(catalog: &Catalog, actual: &[Oid], declared: &[Oid], result: Oid) -> Option<(Vec<Oid>, Oid)> {
    let mut elem: Option<Oid> = None;
    let mut set = |ty: Oid| match elem {
        None => {
            elem = Some(ty);
            true
        }
        Some(known) => known == ty,
    };
    let mut compatible: Vec<Oid> = Vec::new();
    for (have, want) in actual.iter().zip(declared) {
        if *have == oid::UNKNOWN {
            continue;
        }
        let base = types::base_type(catalog, TypeRef::of(*have)).oid;
        let ok = match *want {
            oid::ANYELEMENT => set(*have),
            pseudo::ANYNONARRAY => types::element(catalog, base).is_none() && set(*have),
            pseudo::ANYENUM => types::category(catalog, base) == 'E' && set(base),
            oid::ANYARRAY => types::element(catalog, base).is_some_and(&mut set),
            pseudo::ANYCOMPATIBLE => {
                compatible.push(*have);
                true
            }
            pseudo::ANYCOMPATIBLENONARRAY => {
                compatible.push(*have);
                types::element(catalog, base).is_none()
            }
            pseudo::ANYCOMPATIBLEARRAY => types::element(catalog, base).is_some_and(|e| {
                compatible.push(e);
                true
            }),
            _ => true,
        };
        if !ok {
            return None;
        }
    }
    let common = match compatible.as_slice() {
        [] => None,
        list => {
            let common = common_type(catalog, list).ok()?;
            list.iter().all(|ty| *ty == common || casts::exists(catalog, *ty, common, CastContext::Implicit)).then_some(())?;
            Some(common)
        }
    };
    let put = |ty: Oid| -> Option<Oid> {
        Some(match ty {
            oid::ANYELEMENT | pseudo::ANYNONARRAY | pseudo::ANYENUM => elem.unwrap_or(oid::UNKNOWN),
            oid::ANYARRAY => match elem {
                Some(elem) => types::array_of(catalog, elem)?,
                None => oid::UNKNOWN,
            },
            pseudo::ANYCOMPATIBLE | pseudo::ANYCOMPATIBLENONARRAY => common.unwrap_or(oid::TEXT),
            pseudo::ANYCOMPATIBLEARRAY => types::array_of(catalog, common.unwrap_or(oid::TEXT))?,
            other => other,
        })
    };
    let args: Option<Vec<Oid>> = declared.iter().map(|ty| put(*ty)).collect();
    Some((args?, put(result)?))
}

/// The type that CASE, UNION, ARRAY and the like give their parts; TEXT when all are unknown.
///
/// # Errors
/// The two types whose categories differ.
pub fn common_type(catalog: &Catalog, parts: &[Oid]) -> Result<Oid, (Oid, Oid)> {
    let mut chosen = match parts {
        [] => return Ok(oid::TEXT),
        [first, rest @ ..] if *first != oid::UNKNOWN && rest.iter().all(|ty| ty == first) => return Ok(*first),
        [first, ..] => types::base_type(catalog, TypeRef::of(*first)).oid,
    };
    for next in parts.iter().skip(1) {
        let next = types::base_type(catalog, TypeRef::of(*next)).oid;
        if next == oid::UNKNOWN || next == chosen {
            continue;
        }
        if chosen == oid::UNKNOWN {
            chosen = next;
        } else if types::category(catalog, chosen) != types::category(catalog, next) {
            return Err((chosen, next));
        } else if !types::is_preferred(chosen)
            && casts::exists(catalog, chosen, next, CastContext::Implicit)
            && !casts::exists(catalog, next, chosen, CastContext::Implicit)
        {
            chosen = next;
        }
    }
    Ok(if chosen == oid::UNKNOWN { oid::TEXT } else { chosen })
}
