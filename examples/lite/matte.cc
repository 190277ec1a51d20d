// Matte a photograph with MindSpore Lite alone: matte MODEL.lite.mindir PHOTO.ppm TRIMAP.pgm ALPHA.pgm
//
// As matte.py, but photograph and trimap already have the size that MODEL takes, and are binary netpbm files without
// comments, which any image program writes. Built against what the wheel of mindspore-lite 2.0.0 brings, in
// LITE=.../site-packages/mindspore_lite:
//
//     g++ -std=c++17 -O2 -I $LITE examples/lite/matte.cc -o matte -L $LITE/lib -l:libmindspore-extendrt_python.so
//         -l:libmindspore_core.so -l:libmindspore_glog.so.0
//         -Wl,--disable-new-dtags,-rpath,$LITE/lib,--allow-shlib-undefined
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "include/api/context.h"
#include "include/api/model.h"

using Bytes = std::vector<unsigned char>;

void check(bool good, const std::string &problem) {
  if (good) return;
  std::cerr << "error: " << problem << std::endl;
  std::exit(1);
}

// The pixels of a binary netpbm file of that kind, P5 for grey and P6 for colours, and size.
Bytes read(const char *path, const std::string &kind, size_t height, size_t width) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  size_t columns = 0, rows = 0, largest = 0;
  file >> magic >> columns >> rows >> largest;
  file.get();
  check(magic == kind && rows == height && columns == width && largest == 255,
        std::string(path) + ": must be a binary " + kind + " file of " + std::to_string(width) + "x" +
            std::to_string(height) + " with 8 bits");
  Bytes pixels((kind == "P6" ? 3 : 1) * height * width);
  file.read(reinterpret_cast<char *>(pixels.data()), pixels.size());
  check(bool(file), std::string(path) + ": is truncated");
  return pixels;
}

int main(int count, char **arguments) {
  check(count == 5, "usage: matte MODEL.lite.mindir PHOTO.ppm TRIMAP.pgm ALPHA.pgm");
  auto context = std::make_shared<mindspore::Context>();
  context->MutableDeviceInfo().push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  mindspore::Model network;
  check(network.Build(std::string(arguments[1]), mindspore::kMindIR, context) == mindspore::kSuccess,
        std::string(arguments[1]) + ": is refused by MindSpore Lite");
  auto inputs = network.GetInputs();
  const size_t height = inputs[0].Shape()[2], width = inputs[0].Shape()[3], pixels = height * width;
  const Bytes photo = read(arguments[2], "P6", height, width), trimap = read(arguments[3], "P5", height, width);

  const float mean[] = {0.485f, 0.456f, 0.406f}, deviation[] = {0.229f, 0.224f, 0.225f};
  auto *batch = static_cast<float *>(inputs[0].MutableData());
  for (size_t at = 0; at < pixels; ++at) {
    for (size_t colour = 0; colour < 3; ++colour)
      batch[colour * pixels + at] = (photo[3 * at + colour] / 255.0f - mean[colour]) / deviation[colour];
    batch[3 * pixels + at] = trimap[at] / 255.0f;
  }
  std::vector<mindspore::MSTensor> outputs;
  check(network.Predict(inputs, &outputs) == mindspore::kSuccess, "MindSpore Lite could not run the model");

  const auto *estimate = static_cast<const float *>(outputs[0].MutableData());
  Bytes alpha(trimap);
  for (size_t at = 0; at < pixels; ++at)
    if (trimap[at] != 0 && trimap[at] != 255)
      alpha[at] = static_cast<unsigned char>(std::lround(255 * std::min(1.0f, std::max(0.0f, estimate[at]))));
  std::ofstream file(arguments[4], std::ios::binary);
  file << "P5\n" << width << " " << height << "\n255\n";
  file.write(reinterpret_cast<const char *>(alpha.data()), alpha.size());
  file.close();
  check(bool(file), std::string(arguments[4]) + ": cannot be written");
}
