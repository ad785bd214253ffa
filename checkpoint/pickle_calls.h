// What a pickle's calls make of data: dicts, storages and tensors where they are torch's own, and opaque
// values of everything else. Nothing is called.
#pragma once

#include "checkpoint/pickle_objects.h"

namespace sdlora::checkpoint {

// REDUCE, NEWOBJ: `function` of `arguments`, a tuple.
Value call_of(PickleObjects& objects, Value function, Value arguments);

// BUILD: gives `object` its state, of which only a ParameterDict's parameters matter.
void build(PickleObjects& objects, const Value& object, const Value& state);

// BINPERSID: the storage, or opaque for one of a type that we do not read.
Value storage_of(PickleObjects& objects, const Value& id);

}  // namespace sdlora::checkpoint
