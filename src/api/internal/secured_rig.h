// A cell behind mutual TLS, with callers who have certificates. For tests only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/grpc_channel.h"
#include "api/internal/api_rig.h"
#include "api/internal/mesh_rig.h"
#include "api/internal/tls_client_rig.h"
#include "api/tls13.h"

// (below: <utility> before Boost)
#include <grpcpp/grpcpp.h>

namespace meridian::api {

struct SecuredRig {
  SecuredRig() {
    require_tls13();
    cell.backend->callers = &callers;
    cell.backend->access.replace(MeshRig::everything());
    cell.start_grpc();
    cell.start_http();
  }

  /// Somebody who shows a certificate for "/service/payments", say.
  struct Somebody {
    MeshRig::Shown shown;
    std::string id;
    std::unique_ptr<mesh::Credentials> holder;
    std::shared_ptr<grpc::Channel> channel;
  };
  Somebody somebody(const std::string& path) { return somebody(path, std::nullopt); }
  /// A person who signed in.
  Somebody somebody(const std::string& path, const std::optional<mesh::PersonEvidence>& evidence) {
    Somebody made{evidence ? mesh.issue_signed_in(path, *evidence) : mesh.issue(path),
                  std::string("spiffe://") + MeshRig::west + path,
                  {},
                  {}};
    made.holder = mesh.holder_of(made.shown);
    grpc::ChannelArguments apart;
    apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    made.channel =
        make_mesh_channel(*made.holder, format_listen_address(cell.grpc->address()), apart);
    return made;
  }
  void replace_policy(const std::string& rules) {
    cell.backend->access.replace(MeshRig::policy(rules));
  }
  TlsClient http(const Somebody& who) const { return {cell.http->address(), &who.shown}; }

  /// Ends a call that hangs.
  static void limit(grpc::ClientContext& context) {
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(20, GPR_TIMESPAN)));
  }

  MeshRig mesh;
  std::unique_ptr<mesh::Credentials> server = mesh.holder_of(mesh.issue(rig_node));
  Callers callers{*server};
  ApiRig cell;
};

}  // namespace meridian::api
