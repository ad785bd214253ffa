#include "checkpoint/pickle_globals.h"

#include <algorithm>
#include <array>

namespace sdlora::checkpoint {
namespace {

struct NamedMeaning {
  std::string_view module, name;
  GlobalMeaning meaning;
};

constexpr std::array kMeanings{
    NamedMeaning{"collections", "OrderedDict", GlobalMeaning::kOrderedDict},
    NamedMeaning{"torch.nn.modules.container", "ParameterDict", GlobalMeaning::kParameterDict},
    NamedMeaning{"torch._utils", "_rebuild_tensor", GlobalMeaning::kRebuildTensor},
    NamedMeaning{"torch._utils", "_rebuild_tensor_v2", GlobalMeaning::kRebuildTensor},
    NamedMeaning{"torch._utils", "_rebuild_tensor_v3", GlobalMeaning::kRebuildTensorV3},
    NamedMeaning{"torch._utils", "_rebuild_parameter", GlobalMeaning::kRebuildParameter},
    NamedMeaning{"torch._utils", "_rebuild_parameter_with_state", GlobalMeaning::kRebuildParameter},
    NamedMeaning{"torch._tensor", "_rebuild_from_type_v2", GlobalMeaning::kRebuildFromType}};

// Modules of which nothing belongs into a file of weights (those of Python's standard library that run
// commands or code, open files and connections or load more pickles, as scanners of pickles list them).
constexpr std::array<std::string_view, 50> kDangerousModules{
    "os",        "posix",          "nt",         "sys",       "subprocess", "popen2",
    "pty",       "platform",       "posixpath",  "ntpath",    "runpy",      "shutil",
    "socket",    "_socket",        "webbrowser", "importlib", "pkgutil",    "zipimport",
    "pickle",    "_pickle",        "cPickle",    "dill",      "joblib",     "marshal",
    "shelve",    "ctypes",         "_ctypes",    "cffi",      "codeop",     "asyncio",
    "tempfile",  "urllib",         "urllib2",    "http",      "httplib",    "ftplib",
    "smtplib",   "telnetlib",      "requests",   "aiohttp",   "pip",        "setuptools",
    "distutils", "venv",           "bdb",        "pdb",       "pydoc",      "timeit",
    "cProfile",  "multiprocessing"};

constexpr std::array<std::string_view, 18> kDangerousBuiltins{
    "eval",    "exec",    "execfile", "compile", "open",  "file",       "input",      "getattr", "setattr",
    "delattr", "globals", "locals",   "vars",    "apply", "breakpoint", "__import__", "reload",  "exit"};

struct DangerousName {
  std::string_view module, name;
};

constexpr std::array kDangerousNames{DangerousName{"operator", "attrgetter"},
                                     DangerousName{"operator", "methodcaller"},
                                     DangerousName{"_operator", "attrgetter"},
                                     DangerousName{"_operator", "methodcaller"},
                                     DangerousName{"io", "open"},
                                     DangerousName{"io", "open_code"},
                                     DangerousName{"_io", "open"},
                                     DangerousName{"_io", "open_code"},
                                     DangerousName{"io", "FileIO"},
                                     DangerousName{"_io", "FileIO"},
                                     DangerousName{"types", "FunctionType"},
                                     DangerousName{"types", "CodeType"},
                                     DangerousName{"code", "interact"},
                                     DangerousName{"code", "InteractiveInterpreter"},
                                     DangerousName{"code", "InteractiveConsole"},
                                     DangerousName{"imp", "load_source"},
                                     DangerousName{"commands", "getoutput"},
                                     DangerousName{"commands", "getstatusoutput"},
                                     DangerousName{"profile", "run"},
                                     DangerousName{"profile", "runctx"},
                                     DangerousName{"types", "LambdaType"},
                                     DangerousName{"torch", "load"},
                                     DangerousName{"torch.serialization", "load"}};

// Dots separate: a name of two parts is looked up in what the first part names, which may be any module.
bool has_part(std::string_view dotted, auto&& is_wanted) {
  while (true) {
    const size_t dot = dotted.find('.');
    if (is_wanted(dotted.substr(0, dot))) return true;
    if (dot == std::string_view::npos) return false;
    dotted.remove_prefix(dot + 1);
  }
}

bool is_dangerous_module(std::string_view part) {
  return std::find(kDangerousModules.begin(), kDangerousModules.end(), part) != kDangerousModules.end();
}

bool is_builtins(std::string_view part) {
  return part == "builtins" || part == "__builtin__" || part == "__builtins__";
}

struct NamedDtype {
  std::string_view name;
  at::ScalarType dtype;
};

constexpr std::array kStorageClasses{
    NamedDtype{"torch.FloatStorage", at::kFloat},         NamedDtype{"torch.DoubleStorage", at::kDouble},
    NamedDtype{"torch.HalfStorage", at::kHalf},           NamedDtype{"torch.BFloat16Storage", at::kBFloat16},
    NamedDtype{"torch.LongStorage", at::kLong},           NamedDtype{"torch.IntStorage", at::kInt},
    NamedDtype{"torch.ShortStorage", at::kShort},         NamedDtype{"torch.CharStorage", at::kChar},
    NamedDtype{"torch.ByteStorage", at::kByte},           NamedDtype{"torch.BoolStorage", at::kBool},
    NamedDtype{"torch.storage.UntypedStorage", at::kByte}};

constexpr std::array kDtypes{NamedDtype{"torch.float32", at::kFloat},
                             NamedDtype{"torch.float", at::kFloat},
                             NamedDtype{"torch.float64", at::kDouble},
                             NamedDtype{"torch.double", at::kDouble},
                             NamedDtype{"torch.float16", at::kHalf},
                             NamedDtype{"torch.half", at::kHalf},
                             NamedDtype{"torch.bfloat16", at::kBFloat16},
                             NamedDtype{"torch.int64", at::kLong},
                             NamedDtype{"torch.int32", at::kInt},
                             NamedDtype{"torch.int16", at::kShort},
                             NamedDtype{"torch.int8", at::kChar},
                             NamedDtype{"torch.uint8", at::kByte},
                             NamedDtype{"torch.bool", at::kBool},
                             NamedDtype{"torch.float8_e4m3fn", at::kFloat8_e4m3fn},
                             NamedDtype{"torch.float8_e5m2", at::kFloat8_e5m2}};

// How the element types begin that are not in kDtypes: torch.complex64, torch.quint8 …
constexpr std::array<std::string_view, 7> kUnreadTypes{"complex", "uint",   "quint", "qint",
                                                       "float8",  "float4", "bits"};

}  // namespace

GlobalMeaning meaning_of_global(std::string_view module, std::string_view name) {
  for (const NamedMeaning& known : kMeanings) {
    if (known.module == module && known.name == name) return known.meaning;
  }
  const bool is_rebuilt = module == "torch._utils" && name.starts_with("_rebuild");
  const bool is_unread_type =
      module == "torch" && (name.ends_with("Storage") || std::any_of(kUnreadTypes.begin(), kUnreadTypes.end(),
                                                                     [name](std::string_view beginning) {
                                                                       return name.starts_with(beginning);
                                                                     }));
  return is_rebuilt || is_unread_type ? GlobalMeaning::kUnreadableTensor : GlobalMeaning::kOpaque;
}

bool is_dangerous_global(std::string_view module, std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // all of it when there is no dot
  const std::string_view above = last.size() == name.size() ? "" : name.substr(0, name.rfind('.'));
  if (is_dangerous_module(module.substr(0, module.find('.'))) || has_part(above, is_dangerous_module))
    return true;
  if (module == "torch.hub" || module.starts_with("torch.hub.") || (module == "torch" && above == "hub"))
    return true;
  if (is_builtins(module) || has_part(above, is_builtins)) {
    return std::find(kDangerousBuiltins.begin(), kDangerousBuiltins.end(), last) != kDangerousBuiltins.end();
  }
  return std::any_of(kDangerousNames.begin(), kDangerousNames.end(), [&](const DangerousName& known) {
    return known.module == module && known.name == name;
  });
}

std::optional<at::ScalarType> dtype_of_storage_class(std::string_view name) {
  for (const NamedDtype& known : kStorageClasses) {
    if (known.name == name) return known.dtype;
  }
  return std::nullopt;
}

at::ScalarType dtype_of_global(std::string_view name) {
  for (const NamedDtype& known : kDtypes) {
    if (known.name == name) return known.dtype;
  }
  return at::ScalarType::Undefined;
}

}  // namespace sdlora::checkpoint
