import { launch } from '../cli/launch.js'

launch(import('../volumes/image-info.js'))
